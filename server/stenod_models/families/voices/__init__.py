"""Who speaks when in a window: pyannote segmentation and CAM++ embeddings."""
