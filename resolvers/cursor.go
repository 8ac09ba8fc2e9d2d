package resolvers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"interlock/services/rail"
)

// Cursors makes cursors: a place in a list, sealed with a MAC, as an opaque string. A cursor is valid only for the list
// that it was made for, with the same arguments. It is valid on every server with the same key.
type Cursors struct{ Key []byte }

// macBytes is how much of the MAC a cursor carries. 96 bits are too many to guess, and keep a cursor short.
const macBytes = 12

// seal makes the cursor of a place in a list.
func (c Cursors) seal(list list, place any) string {
	body, err := json.Marshal(place)
	if err != nil {
		panic(err) // Places are plain structs of this package; they always marshal.
	}
	return base64.RawURLEncoding.EncodeToString(append(c.mac(list, body), body...))
}

// open reads a cursor into place. A nil cursor is the beginning of the list: found is false, and place stays as it is.
// A cursor that this list does not have is BAD_USER_INPUT.
func (c Cursors) open(list list, cursor *string, place any) (found bool, err error) {
	if cursor == nil {
		return false, nil
	}
	raw, ok := decodeText(*cursor)
	if !ok || len(raw) < macBytes || !hmac.Equal(raw[:macBytes], c.mac(list, raw[macBytes:])) ||
		json.Unmarshal(raw[macBytes:], place) != nil {
		return false, rail.Refuse(rail.BadUserInput, "%s is not a cursor of this list", rail.Quote(*cursor)).At("after")
	}
	return true, nil
}

func (c Cursors) mac(list list, body []byte) []byte {
	mac := hmac.New(sha256.New, c.Key)
	mac.Write([]byte(list))
	mac.Write([]byte{0})
	mac.Write(body)
	return mac.Sum(nil)[:macBytes]
}

// list is the name of a list, and the arguments that choose its elements.
type list string

func listOf(name string, arguments ...any) list {
	b, err := json.Marshal(arguments)
	if err != nil {
		panic(err) // Arguments come out of GraphQL; they always marshal.
	}
	return list(name + string(b))
}
