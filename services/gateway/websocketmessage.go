package gateway

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// envelope is a message.
type envelope struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`

	// unread is why the payload of a "subscribe" cannot be read, where the message is not well-formed.
	unread error
}

// readEnvelope reads a message; nil where it is not one of the protocol.
func readEnvelope(data []byte) *envelope {
	var message envelope
	strict := readJSON(data, &message)
	if strict == nil {
		return &message
	}
	// The mistake may be in one operation. Then that operation gets the error, and the others on the socket go on.
	message = envelope{}
	if json.Unmarshal(data, &message) != nil || message.Type != "subscribe" {
		return nil
	}
	message.unread = unreadable("the message is not well-formed JSON: %s", jsonTrouble(strict))
	return &message
}

// hasObject tells whether the payload is an object, null or nothing.
func (e *envelope) hasObject() bool {
	var fields map[string]json.RawMessage
	return len(e.Payload) == 0 || json.Unmarshal(e.Payload, &fields) == nil
}

// read waits for a message. It may begin at any time, but once it has begun, it must come as fast as a body.
func (s *webSocket) read() (*envelope, bool) {
	kind, reader, err := s.conn.Reader(context.Background())
	if err != nil {
		return nil, false
	}
	slow := time.AfterFunc(bodyTimeout, func() {
		s.hangUp(int(websocket.StatusPolicyViolation), "a message did not come within "+bodyTimeout.String())
	})
	data, err := io.ReadAll(reader)
	slow.Stop()
	if err != nil {
		return nil, false
	}
	message := readEnvelope(data)
	if kind != websocket.MessageText || message == nil {
		s.hangUp(closeBadRequest, "not a message of the protocol")
		return nil, false
	}
	return message, true
}

// write sends one message within writeTimeout. It cuts the connection of a client that does not take it.
func (s *webSocket) write(message *envelope) {
	id, err := json.Marshal(message.ID)
	if err != nil {
		panic(err) // A string can be encoded.
	}
	// By hand: the payload is JSON already, and large.
	data := make([]byte, 0, len(message.Payload)+len(id)+64)
	data = append(append(data, `{"type":"`...), message.Type...)
	data = append(data, '"')
	if message.ID != "" {
		data = append(append(data, `,"id":`...), id...)
	}
	if len(message.Payload) > 0 {
		data = append(append(data, `,"payload":`...), message.Payload...)
	}
	data = append(data, '}')
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if s.conn.Write(ctx, websocket.MessageText, data) != nil {
		s.cut()
	}
}

// errorMessage ends an operation that was not executed, or that the client should try again.
func errorMessage(id string, errs gqlerror.List) *envelope {
	payload, err := json.Marshal(errs)
	if err != nil {
		// Only an extension of our own could fail to encode.
		panic(err)
	}
	return &envelope{ID: id, Type: "error", Payload: payload}
}
