package identity

// MaxKeysWaiting is how many tokens may wait for an issuer's keys.
const MaxKeysWaiting = maxKeysWaiting
