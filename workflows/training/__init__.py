"""Training: material, synthesis and the trainers of the stroke network and of CTRNet for documents."""
