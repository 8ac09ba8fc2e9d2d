package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
)

// Server is a Gateway on a socket.
type Server struct {
	gateway *Gateway
	http    *http.Server
}

// NewServer puts a Gateway on a server whose every wait is bounded. There is no time-out for whole requests or answers,
// which would end streams; the Gateway gives each request deadlines for its body and its answer, and each event one.
func NewServer(g *Gateway) *Server {
	return &Server{gateway: g, http: &http.Server{
		Handler:           g,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// The library's own answer to "OPTIONS *" waits for a body as long as that takes.
		DisableGeneralOptionsHandler: true,
		ConnContext:                  boundUnsent,
		// What clients do to their connections is of interest to those who look for it.
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}}
}

// boundUnsent bounds what the system keeps for a client that does not read.
func boundUnsent(ctx context.Context, conn net.Conn) context.Context {
	if tcp, ok := conn.(*net.TCPConn); ok {
		// It fails for a connection that has ended: then nothing is kept for it.
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
	return ctx
}

// Serve answers requests until Shutdown, which it returns nil for.
func (s *Server) Serve(listener net.Listener) error {
	if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown takes no more connections, ends the streams and lets the other requests finish, until the context ends: then
// what is left is cut off. It returns the context's error where something was.
func (s *Server) Shutdown(ctx context.Context) error {
	s.gateway.Drain()
	err := errors.Join(s.http.Shutdown(ctx), s.gateway.streams.wait(ctx))
	if err != nil {
		// The HTTP server does not know of WebSockets any more.
		s.gateway.streams.cut()
		return errors.Join(err, s.http.Close())
	}
	return nil
}
