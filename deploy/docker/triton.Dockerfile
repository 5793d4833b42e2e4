# NVIDIA Triton for a GPU, with what stenod's models run on. Build it from the root of the repository:
#   docker build -t stenod-triton -f deploy/docker/triton.Dockerfile .
# Triton 26.10 is on CUDA 13, as onnxruntime-gpu 1.31 is: raise both together. Compute capability 7.5 (T4) or later.
FROM nvcr.io/nvidia/tritonserver:26.10-py3
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_BREAK_SYSTEM_PACKAGES=1
COPY requirements/triton-gpu.lock /build/
RUN python3 -m pip install --quiet --require-hashes -r /build/triton-gpu.lock
COPY server/stenod_models /build/stenod_models
# Beside the other packages: the stubs of the Python backend do not look at PYTHONPATH.
RUN cp -r /build/stenod_models "$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
COPY deploy/docker/triton-entrypoint /usr/local/bin/stenod-triton
ENV STENOD_MODELS_DIR=/opt/models
RUN useradd --uid 10001 --user-group --create-home stenod
USER 10001
EXPOSE 8001 8002
ENTRYPOINT ["stenod-triton"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s CMD ["curl", "--fail", "--silent", "http://127.0.0.1:8000/v2/health/ready"]
