//! What is said of random changes is what the walk says.
