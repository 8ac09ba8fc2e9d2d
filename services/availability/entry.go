package availability

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"interlock/services/rail"
)

// An entry is a header of fixed width in ASCII and then the counts, two bytes each, the most significant first, in the
// order of rail.Availability.Counts: so all classes of one pair of calls lie side by side.
//
//	0         16 17                               49     55
//	┌─────────┬─┬────────────────────────────────┬──────┬───────────────
//	│ version │s│ train                          │counts│ counts …
//	└─────────┴─┴────────────────────────────────┴──────┴───────────────
//
// The version comes first so that a script can compare it. The train is there so that a pair of one timetable is not
// read by the numbers of another. The number of counts shows a damaged entry. lua/stored.lua reads the header too.
const (
	versionDigits = 16
	trainDigits   = 32 // of rail's digests
	countsDigits  = 6  // 256 calls of 12 classes are 391,680 counts
	headerBytes   = versionDigits + 1 + trainDigits + countsDigits
	countBytes    = 2
)

// maxVersion is the largest whole number that Lua, whose numbers are doubles, can tell from the next.
const maxVersion = 1<<53 - 1

// maxCounts is what countsDigits can write.
const maxCounts = 999_999

// header is what an entry says of itself.
type header struct {
	version int64
	status  rail.RunStatus
	trainID string
	counts  int
}

var statusLetters = map[rail.RunStatus]byte{rail.Published: 'P', rail.Suspended: 'S', rail.Withdrawn: 'W'}

// encode writes an entry. It refuses what it could not read again.
func encode(a *rail.Availability) ([]byte, error) {
	letter, ok := statusLetters[a.Status]
	switch {
	case !a.RunID.Valid():
		return nil, fmt.Errorf("availability of %q: not the id of a run", a.RunID)
	case a.Version < 0 || a.Version > maxVersion:
		return nil, fmt.Errorf("availability of %s: version %d is out of range", a.RunID, a.Version)
	case !ok:
		return nil, fmt.Errorf("availability of %s: %q is not a status", a.RunID, a.Status)
	case len(a.TrainID) != trainDigits || !all(a.TrainID, isHex):
		return nil, fmt.Errorf("availability of %s: %q is not the id of a train", a.RunID, a.TrainID)
	case len(a.Counts) == 0 || len(a.Counts) > maxCounts:
		return nil, fmt.Errorf("availability of %s: %d counts", a.RunID, len(a.Counts))
	}
	entry := make([]byte, 0, headerBytes+countBytes*len(a.Counts))
	entry = appendPadded(entry, a.Version, versionDigits)
	entry = append(entry, letter)
	entry = append(entry, a.TrainID...)
	entry = appendPadded(entry, int64(len(a.Counts)), countsDigits)
	for _, count := range a.Counts {
		entry = binary.BigEndian.AppendUint16(entry, count)
	}
	return entry, nil
}

func appendPadded(b []byte, n int64, width int) []byte {
	digits := strconv.AppendInt(make([]byte, 0, versionDigits), n, 10)
	for range width - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}

// decodeHeader reads the header at the start of an entry, whole or not; false where there is none.
func decodeHeader(entry string) (header, bool) {
	if len(entry) < headerBytes {
		return header{}, false
	}
	version, rest := entry[:versionDigits], entry[versionDigits:headerBytes]
	var status rail.RunStatus
	switch rest[0] {
	case 'P':
		status = rail.Published
	case 'S':
		status = rail.Suspended
	case 'W':
		status = rail.Withdrawn
	default:
		return header{}, false
	}
	trainID, counts := rest[1:1+trainDigits], rest[1+trainDigits:]
	v := decodeVersion(version)
	if v < 0 || !all(trainID, isHex) || !all(counts, isDigit) {
		return header{}, false
	}
	n, _ := strconv.Atoi(counts)
	return header{version: v, status: status, trainID: trainID, counts: n}, true
}

// decodeVersion reads the digits that an entry begins with; -1 where there are none.
func decodeVersion(digits string) int64 {
	if len(digits) != versionDigits || !all(digits, isDigit) {
		return -1
	}
	// Sixteen digits always fit.
	v, _ := strconv.ParseInt(digits, 10, 64)
	return v
}

// size is how long the whole entry is.
func (h header) size() int { return headerBytes + countBytes*h.counts }

// decode reads a whole entry; nil where it is none.
func decode(id rail.RunID, entry string) *rail.Availability {
	h, ok := decodeHeader(entry)
	if !ok || len(entry) != h.size() {
		return nil
	}
	return &rail.Availability{
		RunID: id, TrainID: strings.Clone(h.trainID), Version: h.version, Status: h.status,
		Counts: decodeCounts(entry[headerBytes:]),
	}
}

// decodeCounts reads counts that lie side by side.
func decodeCounts(b string) []uint16 {
	counts := make([]uint16, len(b)/countBytes)
	for i := range counts {
		counts[i] = uint16(b[countBytes*i])<<8 | uint16(b[countBytes*i+1])
	}
	return counts
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func isHex(b byte) bool { return isDigit(b) || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' }

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}
