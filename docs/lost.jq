. as $diff
| [.nodeSets[] | .only // ($diff.nodeNames - .allBut)] as $nodes
| .traffic.flows[]
| select(.verdictBefore == "works" and .verdictAfter != "works")
| "\(.target), \(.verdictAfter) on \($nodes[.nodeSet] | join(", "))"
