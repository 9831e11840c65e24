# The image of Outpost. `deploy/build-image` builds it and tags it with the version of the package.
#
# BASE is any image with Python 3.11 to 3.14 as python3, able to make environments.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python3 -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --constraint constraints.txt hatchling
COPY src src
RUN /tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .
# Without pip, so that nothing in the running container can install anything.
RUN python3 -m venv --without-pip /opt/outpost \
    && /tools/bin/pip --python /opt/outpost/bin/python install --no-cache-dir --constraint constraints.txt /wheels/*.whl
ARG VERSION
RUN test "$(/opt/outpost/bin/outpost --version)" = "outpost ${VERSION:?it must be that of the package; use deploy/build-image}"

FROM ${BASE}
ARG VERSION
LABEL org.opencontainers.image.title="Outpost" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/outpost /opt/outpost
COPY deploy/entrypoint deploy/healthcheck deploy/migrate-then-serve /usr/local/bin/
ENV PATH=/opt/outpost/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1
# A number, because Kubernetes cannot tell of a name whether it is root. SQLITE_PATH=/data/outpost.db lies in the volume.
RUN mkdir /data && chown 10001:10001 /data
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 3333
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["entrypoint"]
