package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

// socketStream is a subscription over a WebSocket of its own.
type socketStream struct{ conn *websocket.Conn }

// The messages of graphql-transport-ws that are needed.
const (
	initMessage = `{"type":"connection_init"}`
	ackMessage  = `"type":"connection_ack"`
	nextMessage = `"type":"next"`
	pingMessage = `"type":"ping"`
	pongMessage = `{"type":"pong"}`
)

func openSocket(ctx context.Context, server, run string) (stream, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, ReadBufferSize: transportBuffer, WriteBufferSize: transportBuffer,
	}}
	//nolint:bodyclose // the library says that a handshake's body needs no closing
	conn, _, err := websocket.Dial(ctx, "ws://"+server+"/graphql", &websocket.DialOptions{
		HTTPClient: client, Subprotocols: []string{"graphql-transport-ws"},
	})
	if err != nil {
		return nil, err
	}
	s := &socketStream{conn}
	if err := s.subscribe(ctx, run); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socketStream) subscribe(ctx context.Context, run string) error {
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
	payload, err := question(run)
	if err != nil {
		return err
	}
	message, err := json.Marshal(map[string]any{"id": "1", "type": "subscribe", "payload": json.RawMessage(payload)})
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, message)
}

func (s *socketStream) next(ctx context.Context) ([]byte, error) {
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

func (s *socketStream) close() { _ = s.conn.CloseNow() } // the rest of the stream is of no use
