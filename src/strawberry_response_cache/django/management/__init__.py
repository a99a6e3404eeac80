"""The commands of the app, where Django looks for them."""
