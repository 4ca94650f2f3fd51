"""How data/tiny-base was made: random schemas, questions over them, a tokenizer, the pre-training and its measurement."""
