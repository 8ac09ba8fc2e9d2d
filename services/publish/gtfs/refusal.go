package gtfs

import (
	"fmt"
	"strings"

	"interlock/services/rail"
)

// maxNamed is how many things are named where there may be many: enough to see what is wrong with a feed, and no more
// than a screen holds.
const maxNamed = 20

// maxMessage is how many bytes a refusal has at most: it may quote a field of any length.
const maxMessage = 500

// refuse is the refusal of a file, and so of the feed, for what is in a line of a file; line 0 is the file as a whole.
func refuse(file string, line int, format string, args ...any) *rail.Error {
	return &rail.Error{Code: rail.Invalid, Message: shortened(at(file, line) + ": " + fmt.Sprintf(format, args...))}
}

// shortened is a message of at most maxMessage bytes.
func shortened(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + " …"
}
