# An image of one edition: `docker build -t flovyn-server .`, or any other builder of Dockerfiles.
#   --build-arg EDITION=minimal            an edition of editions/editions.json
#   --build-arg PLUGINS=//plugins/jwt,…    a free choice: exactly these plugins, as an edition named `custom`
#   --build-arg BASE_IMAGE=…               what it runs on: a glibc and the CPython 3.N of BUILD_IMAGE, nothing else
#   --build-arg BUILD_IMAGE=…              what builds it: a Debian or Ubuntu with Python; Bazel comes from the distribution
#   --build-arg VERSION=… REVISION=… LICENSES=…   labels: pass what VERSION, git and LICENSE_EXPRESSION say
#   --build-context wheels=DIR             a directory of wheels in place of the package registry
ARG BASE_IMAGE=python:3.13-slim-bookworm
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM scratch AS wheels

FROM ${BUILD_IMAGE} AS build
ARG EDITION=full
ARG PLUGINS=none
WORKDIR /build
COPY . .
COPY --from=wheels . /wheels/
RUN python3 -m editions.tools.choose_edition --edition "${EDITION}" --plugins "${PLUGINS}" >/edition \
 && if ls /wheels/*.whl >/dev/null 2>&1; then export FLOVYN_WHEELHOUSE=/wheels; fi \
 && ./bazelw --batch build --color=no --curses=no "//editions:$(cat /edition)" \
 && install -D "bazel-bin/editions/$(cat /edition).pex" /out/flovyn-server \
 && rm -rf /root/.cache

FROM ${BASE_IMAGE} AS unpacked
COPY --from=build /out/flovyn-server /opt/flovyn/bin/flovyn-server
# Unpacked and compiled ahead: the server starts warm, and nothing is written when it runs.
RUN PEX_ROOT=/opt/flovyn/cache /opt/flovyn/bin/flovyn-server version \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/flovyn/cache

FROM ${BASE_IMAGE}
ARG VERSION=""
ARG REVISION=""
ARG LICENSES=""
LABEL org.opencontainers.image.title="flovyn-server" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.licenses="${LICENSES}"
COPY --from=unpacked /opt/flovyn /opt/flovyn
# A PEX notes when it was last used, which fails where nothing can be written; the second variable switches that off.
ENV PATH=/opt/flovyn/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    _PEX_CACHE_SET_LAST_ACCESS=0 \
    PEX_ROOT=/opt/flovyn/cache
USER 10001:10001
EXPOSE 8000 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('SERVER_PORT', 8000)}/_/health\", timeout=3)"]
ENTRYPOINT ["flovyn-server"]
CMD ["serve"]
