package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
)

// Server is a Gateway with its HTTP server.
type Server struct {
	gateway *Gateway
	http    *http.Server
}

// NewServer puts a Gateway on an HTTP server on which every wait is bounded. A timeout for whole requests or responses
// would end streams. The Gateway instead gives each request deadlines for its body and its response, and each event of
// a stream a deadline.
func NewServer(g *Gateway) *Server {
	return &Server{gateway: g, http: &http.Server{
		Handler:           g,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// The library's own response to "OPTIONS *" waits for a body without a bound.
		DisableGeneralOptionsHandler: true,
		ConnContext:                  boundUnsent,
		// Trouble with connections is the clients' as a rule, so it is logged for debugging only.
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}}
}

// boundUnsent bounds what the system keeps for a client that does not read.
func boundUnsent(ctx context.Context, conn net.Conn) context.Context {
	if tcp, ok := conn.(*net.TCPConn); ok {
		// It fails for a connection that has ended, for which nothing is kept.
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
	return ctx
}

// Serve answers requests until Shutdown, and then returns nil.
func (s *Server) Serve(listener net.Listener) error {
	if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Leave makes the server unready for good, so that load balancers leave it out. It serves all that comes until Shutdown.
func (s *Server) Leave() { s.gateway.checks.drain() }

// Shutdown takes no more connections, ends the streams and lets the other requests finish. When the context ends, it
// cuts off what is left, and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.gateway.Drain()
	err := errors.Join(s.http.Shutdown(ctx), s.gateway.streams.wait(ctx))
	if err != nil {
		// The HTTP server has given its WebSockets away.
		s.gateway.streams.cut()
		return errors.Join(err, s.http.Close())
	}
	return nil
}
