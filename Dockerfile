# The image of Lazaretto: built in one stage, and a final layer with the C library and the program,
# no shell, no root. Both bases can be replaced by ones of your own:
#   docker build --build-arg VERSION=0.2.0 --build-arg REVISION=$(git rev-parse HEAD) -t lazaretto .
# .ci/image builds it without a registry, on bases made of Debian's packages.
ARG BUILD_BASE=docker.io/library/rust:1.95-bookworm
ARG FINAL_BASE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_BASE} AS build
# `dev` is cheaper; released images are built with `release`.
ARG PROFILE=release
ARG REVISION=
ENV LAZARETTO_REVISION=${REVISION}
WORKDIR /src
COPY . .
# Symbols stay, for profiles and backtraces; a folder without owner's rights becomes the volume.
RUN cargo build --locked --profile "$PROFILE" --bin lazaretto \
 && mkdir -p /out/data \
 && cp "target/$(test "$PROFILE" = dev && echo debug || echo "$PROFILE")/lazaretto" /out/lazaretto \
 && strip --strip-debug /out/lazaretto

FROM ${FINAL_BASE}
ARG VERSION=
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="Lazaretto" \
      org.opencontainers.image.description="Sanctions screening for cryptocurrency addresses over gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /out/lazaretto /lazaretto
COPY --from=build --chown=65532:65532 /out/data /data
COPY LICENSE /LICENSE
ENV LAZARETTO_DATA_DIR=/data
VOLUME /data
USER 65532:65532
EXPOSE 50551 50552
STOPSIGNAL SIGTERM
ENTRYPOINT ["/lazaretto"]
CMD ["serve"]
