# Models and nothing else, to be mounted into pods (deploy/k8s/components/models-image) or copied into other images
# (deploy/aws). It is built by stenod.Dockerfile's image with LOCK=export, from wherever models come from:
#   docker build -t stenod-export:0.1.0 -f deploy/docker/stenod.Dockerfile --build-arg LOCK=export .
#   docker build -t stenod-models:0.1.0 -f deploy/docker/models.Dockerfile .
ARG EXPORT=stenod-export:0.1.0
FROM ${EXPORT} AS build
ARG MODELS=parakeet-tdt-0.6b-v3
ARG DEVICE=cuda
ENV STENOD_MODELS_DIR=/models
RUN stenod models add silero-vad \
 && stenod models add voices \
 && for model in ${MODELS}; do stenod models add "$model" --device "${DEVICE}" || exit 1; done \
 && rm -rf /models/.downloads

FROM scratch
COPY --from=build /models /
