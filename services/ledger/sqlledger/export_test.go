package sqlledger

// MaxReaders is how many may look at orders at a time.
const MaxReaders = maxReaders
