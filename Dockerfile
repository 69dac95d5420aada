# One image for every service of docker-compose.yml. docs/compose.md says how to use it.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG NODE_IMAGE=node:20-bookworm-slim

FROM ${NODE_IMAGE} AS anvil
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund --silent && cp node_modules/@foundry-rs/anvil-linux-*/bin/anvil /anvil

FROM ${PYTHON_IMAGE} AS environment
# Where the CPU build of torch is found; empty where the base image's pip finds one by itself. From PyPI alone it would
# bring gigabytes of CUDA.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/tfedrs/venv
ENV PATH=/opt/tfedrs/venv/bin:$PATH
WORKDIR /opt/tfedrs/app
COPY requirements.lock ./
RUN pip install --quiet --no-compile --constraint requirements.lock ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch
# The needs of pyproject.toml and nothing else of the project, so that this layer lasts while the code changes.
COPY pyproject.toml ./
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
      > /tmp/needs.txt \
    && pip install --quiet --no-compile --constraint requirements.lock --requirement /tmp/needs.txt \
    && { python -m compileall -qq -j 0 /opt/tfedrs/venv || true; }

FROM environment AS application
# A message starts a fresh process on a node: without bytecode each phase takes twice as long.
COPY LICENSE README.md .gitignore ./
COPY client client
COPY common common
COPY contracts contracts
COPY launch launch
COPY server server
RUN pip install --quiet --no-deps --no-build-isolation --editable . && python -m compileall -qq client common contracts launch server

FROM ${PYTHON_IMAGE} AS runtime
# Python's own modules come without bytecode in the official image.
RUN python -m compileall -qq -j 0 /usr/local/lib/python3.11 || true
RUN groupadd --gid 10001 tfedrs && useradd --uid 10001 --gid 10001 --home-dir /tmp --shell /usr/sbin/nologin tfedrs \
    && mkdir -p /srv/tfedrs/chain /srv/tfedrs/clients /srv/tfedrs/record /srv/tfedrs/coordinator /srv/tfedrs/superlink \
    && chown -R tfedrs:tfedrs /srv/tfedrs && chmod 700 /srv/tfedrs/*
COPY --from=anvil /anvil /usr/local/bin/anvil
COPY --from=application /opt/tfedrs /opt/tfedrs
ENV PATH=/opt/tfedrs/venv/bin:$PATH \
    FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1 \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONUNBUFFERED=1
WORKDIR /opt/tfedrs/app
USER tfedrs
ENTRYPOINT ["python", "-m", "launch.container"]
