package playground

// NewHandler lets the tests choose the bundle: whether one is embedded in the test binary depends on the machine.
var NewHandler = newHandler
