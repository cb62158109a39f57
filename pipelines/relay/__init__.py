"""Stage `relay` as a service: delivers what has changed in the source, as it changes, until it is told to stop."""
