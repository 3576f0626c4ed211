"""How the embedded base model is made: text -> tokenizer -> packed rows -> training -> `assets/base`."""
