package partnerhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"time"
)

// maxType bounds the type of a payload, in bytes.
const maxType = 128

// eventType is what the specification recommends (section "Event types"): identifiers with full stops between them.
var eventType = regexp.MustCompile(`^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$`)

// Payload is the body of a message: the type of the event, such as "order.paid", the time of the event in UTC, and its
// data (the specification's section "Payload structure"). ErrMessage: the type is no such name, the data is no JSON, or
// the payload has more than MaxBody bytes.
func Payload(kind string, at time.Time, data any) ([]byte, error) {
	if len(kind) > maxType || !eventType.MatchString(kind) {
		return nil, fmt.Errorf("%w: a type is letters, digits and _, with full stops between, up to %d", ErrMessage,
			maxType)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // it is no page, and every byte counts
	err := encoder.Encode(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      any       `json:"data"`
	}{kind, at.UTC(), data})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	body := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if len(body) > MaxBody {
		return nil, fmt.Errorf("%w: a payload has at most %d bytes, and this one has %d", ErrMessage, MaxBody,
			len(body))
	}
	return body, nil
}
