"""Chapter "Under- and overfitting": its small network, its explorers and exercises."""
