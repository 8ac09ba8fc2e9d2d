package watch

import (
	"context"

	"interlock/lab/load"
)

// socketStream is a subscription over a WebSocket of its own.
type socketStream struct{ *load.Socket }

func openSocket(ctx context.Context, server, run string) (stream, error) {
	payload, err := question(run)
	if err != nil {
		return nil, err
	}
	s, err := load.OpenSocket(ctx, server, payload, transportBuffer)
	if err != nil {
		return nil, err
	}
	return socketStream{s}, nil
}

func (s socketStream) next(ctx context.Context) ([]byte, error) { return s.Next(ctx) }

func (s socketStream) close() { s.Close() }
