# The notebooks in JupyterLab, with a Rust kernel for which everything is compiled and downloaded
# already: no network is needed to run it. `docker compose up` builds it, or pulls a published one, and starts it.
ARG RUST_VERSION=1.95.0

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
# JupyterLab, which a change of the library need not install again.
RUN /opt/fmnist/notebooks/start.sh python --version
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
    && apt-get install -qy --no-install-recommends ca-certificates dataset-fashion-mnist gcc libc6-dev python3 tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=files /usr/local/rustup /usr/local/rustup
COPY --from=files /usr/local/cargo /usr/local/cargo
COPY --from=files /usr/src /usr/src
COPY --from=files /opt/fmnist /opt/fmnist
COPY notebooks/*.ipynb notebooks/00-start.md /home/jovyan/work/
COPY notebooks/results /home/jovyan/work/results
# Anybody may run it: `--user` takes the one who owns the mounted folder.
RUN useradd --uid 1000 --gid users --no-create-home --shell /bin/bash jovyan \
    && ln -s /opt/fmnist/fmnist-lib /home/jovyan/fmnist-lib \
    && ln -s /opt/fmnist/notebooks/start.sh /usr/local/bin/start-notebook.sh \
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
