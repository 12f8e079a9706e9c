# The static binary and nothing else. Standard input works:
#   kubectl get services,endpointslices,nodes -A -o yaml | docker run -i ghcr.io/kuberules/kuberules explain
#
# `.ci/build-static` makes the binary; the release workflow puts it at dist/ARCHITECTURE/kuberules for each platform.
FROM scratch
ARG TARGETARCH
COPY dist/${TARGETARCH}/kuberules /kuberules
COPY LICENSE-APACHE LICENSE-MIT /
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/kuberules"]
