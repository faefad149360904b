"""A class of ImageGPT whose input is what it was trained on: the start token, then all tokens but the last."""

import torch
from transformers import ImageGPTForImageClassification


class ImageGPTWithStartToken(ImageGPTForImageClassification):
    """Takes an image's tokens as the image processor gives them, and puts the start token before them."""

    def forward(self, input_ids=None, **kwargs):
        if input_ids is not None:
            start = input_ids.new_full((input_ids.shape[0], 1), self.config.vocab_size - 1)
            input_ids = torch.cat([start, input_ids[:, :-1]], dim=1)
        return super().forward(input_ids=input_ids, **kwargs)
