package rpc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// dialer makes a Client's connections.
var dialer = &net.Dialer{Timeout: dialTimeout}

const (
	headerTimeout   = 5 * time.Second
	maxHeader       = 16 << 10
	maxCallsPerConn = 1_000
)

// Server is an HTTP server that has TLS, or none.
type Server struct {
	http *http.Server
	// TLS tells whether it has.
	TLS bool
}

// NewServer puts handlers, a Handler among them, on a server for HTTP/1.1 and HTTP/2, with TLS where there is a
// certificate and without it else. Every wait is bounded. A handler gives itself a deadline for its answer.
func NewServer(handler http.Handler, certificates Certificates, log *slog.Logger) (*Server, error) {
	config, err := certificates.server()
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(config != nil)
	protocols.SetUnencryptedHTTP2(config == nil)
	return &Server{TLS: config != nil, http: &http.Server{
		Handler: handler, TLSConfig: config, Protocols: protocols, ReadHeaderTimeout: headerTimeout,
		IdleTimeout: 2 * idleTimeout, MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxCallsPerConn, SendPingTimeout: pingAfter, PingTimeout: pingTimeout,
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// Serve serves on a listener until Shutdown, and then returns nil.
func (s *Server) Serve(listener net.Listener) error {
	serve := s.http.Serve
	if s.TLS {
		serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
	}
	if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown takes no more connections, and lets calls finish. When the context ends, it cuts off what is left, and
// returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}
