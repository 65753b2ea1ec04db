"""KFP components: one thin wrapper a stage. All logic is in `understudy.stages`."""
