package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

// Socket is a subscription over a WebSocket of its own, by graphql-transport-ws. It is for one goroutine.
type Socket struct{ conn *websocket.Conn }

// The messages of graphql-transport-ws that are needed.
const (
	initMessage = `{"type":"connection_init"}`
	ackMessage  = `"type":"connection_ack"`
	nextMessage = `"type":"next"`
	pingMessage = `"type":"ping"`
	pongMessage = `{"type":"pong"}`
)

// OpenSocket subscribes at a server to what a request's body asks for. buffer is how many bytes are kept for reading,
// and for writing.
func OpenSocket(ctx context.Context, server string, body []byte, buffer int) (*Socket, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, ReadBufferSize: buffer, WriteBufferSize: buffer,
	}}
	//nolint:bodyclose // the library says that a handshake's body needs no closing
	conn, _, err := websocket.Dial(ctx, "ws://"+server+"/graphql", &websocket.DialOptions{
		HTTPClient: client, Subprotocols: []string{"graphql-transport-ws"},
	})
	if err != nil {
		return nil, err
	}
	s := &Socket{conn}
	if err := s.subscribe(ctx, body); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Socket) subscribe(ctx context.Context, body []byte) error {
	if err := s.conn.Write(ctx, websocket.MessageText, []byte(initMessage)); err != nil {
		return err
	}
	_, said, err := s.conn.Read(ctx)
	if err != nil {
		return err
	}
	if !bytes.Contains(said, []byte(ackMessage)) {
		return fmt.Errorf("a socket was answered %.300s", said)
	}
	message, err := json.Marshal(map[string]any{"id": "1", "type": "subscribe", "payload": json.RawMessage(body)})
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, message)
}

// Next waits for the next event and is its message. The error of a socket that was closed has its code, see
// websocket.CloseStatus.
func (s *Socket) Next(ctx context.Context) ([]byte, error) {
	for {
		_, said, err := s.conn.Read(ctx)
		switch {
		case err != nil:
			return nil, err
		case bytes.Contains(said, []byte(nextMessage)):
			return said, nil
		case bytes.Contains(said, []byte(pingMessage)):
			if err := s.conn.Write(ctx, websocket.MessageText, []byte(pongMessage)); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("the socket said %.300s", said)
		}
	}
}

// Close ends the stream.
func (s *Socket) Close() { _ = s.conn.CloseNow() } // the rest of the stream is of no use
