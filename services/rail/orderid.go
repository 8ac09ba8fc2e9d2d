package rail

import "strings"

const (
	// orderIDVersion is how many characters of an order's id say at which version of its run it was placed: 50 bits, a
	// thousand versions a second for 35,000 years.
	orderIDVersion = 10
	// orderIDAlphabet is the extended hexadecimal alphabet of RFC 4648, in small letters: they sort as their values do.
	orderIDAlphabet = "0123456789abcdefghijklmnopqrstuv"
	// maxUnique is a UUID in base 32.
	maxUnique = 26
	// MaxOrderIDTail bounds, in bytes, what follows a run's id and a slash: a version and what is unique.
	MaxOrderIDTail = orderIDVersion + maxUnique
	// maxOrderID is a run id, a slash, a version and what is unique.
	maxOrderID = maxRunID + 1 + MaxOrderIDTail
)

// NewOrderID makes the id of an order from its run, the version of the run that it is placed at, and something unique
// of at most 26 printable ASCII characters. The run leads, so that the id says where the order is kept; the version
// follows, so that the orders of a run lie in the ledger in the order in which they were placed.
func NewOrderID(run RunID, version int64, unique string) string {
	return OrderIDsFrom(run, version) + unique
}

// OrderIDsFrom is a lower bound: byte by byte, it is at most the id of each order of a run that was placed at a version
// or after it, and greater than the ids of the run's other orders.
func OrderIDsFrom(run RunID, version int64) string {
	var digits [orderIDVersion]byte
	for i := orderIDVersion - 1; i >= 0; i-- {
		digits[i] = orderIDAlphabet[version&31]
		version >>= 5
	}
	return string(run) + "/" + string(digits[:])
}

// VersionInOrderID is the run that an order's id begins with, and the version that it was placed at. Behind the version
// may be anything or nothing. false: it does not begin so.
func VersionInOrderID(id string) (RunID, int64, bool) {
	slash := strings.LastIndexByte(id, '/')
	if slash < 0 || len(id) < slash+1+orderIDVersion || !RunID(id[:slash]).Valid() {
		return "", 0, false
	}
	version := int64(0)
	for i := slash + 1; i <= slash+orderIDVersion; i++ {
		digit := strings.IndexByte(orderIDAlphabet, id[i])
		if digit < 0 {
			return "", 0, false
		}
		version = version<<5 | int64(digit)
	}
	return RunID(id[:slash]), version, true
}

// RunOfOrder is the run an order id begins with; false where it is not the id of an order.
func RunOfOrder(id string) (RunID, bool) {
	slash := strings.LastIndexByte(id, '/')
	if slash < 0 || len(id) > maxOrderID || slash == len(id)-1 {
		return "", false
	}
	for i := slash + 1; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' {
			return "", false
		}
	}
	run := RunID(id[:slash])
	return run, run.Valid()
}
