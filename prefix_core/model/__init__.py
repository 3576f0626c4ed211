"""The frozen base, run over packed rows behind any prefixes."""
