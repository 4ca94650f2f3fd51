"""What a training run will take, reckoned from its recipe: parameters, memory, tokens and hours, without any weight."""
