package gtfs

import (
	"errors"
	"fmt"
	"strings"

	"interlock/services/rail"
)

// maxNamed is how many unusable trips are named before the reader gives up: enough to see what is wrong with a feed,
// and no more than a screen holds.
const maxNamed = 20

// maxMessage is how many bytes a refusal has at most: it may quote a field of any length.
const maxMessage = 500

// refuse is the refusal of a feed for what is in a line of a file; line 0 is the file as a whole.
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

// collect adds a refusal to a list, so that all faults of a feed are told at once. goOn is false once there are enough:
// the list is then what to return. An err that is no refusal is returned as other, with goOn false.
func collect(list *rail.Errors, err error) (goOn bool, other error) {
	if err == nil {
		return true, nil
	}
	var refusal *rail.Error
	if !errors.As(err, &refusal) {
		return false, err
	}
	*list = append(*list, refusal)
	return len(*list) < maxNamed, nil
}
