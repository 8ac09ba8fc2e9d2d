package gateway

import (
	"context"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// maxCloseReasonBytes is what a close frame holds.
const maxCloseReasonBytes = 123

// farewell is a close code and its reason.
type farewell struct {
	code   int
	reason string
}

// refuse closes the connection because of an error.
func (s *webSocket) refuse(ctx context.Context, code int, err error) {
	told := s.g.presentRefusal(ctx, err)
	s.hangUp(code, codeOf(told)+": "+told.Message)
}

// ping keeps proxies from cutting an idle connection, and finds clients that are gone. It sends WebSocket's own pings,
// which every client answers by itself.
func (s *webSocket) ping() {
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
			ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
			err := s.conn.Ping(ctx)
			cancel()
			if err != nil {
				s.cut()
				return
			}
		}
	}
}

// closeAt ends the socket with its token.
func (s *webSocket) closeAt(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.expiry = time.AfterFunc(time.Until(at), func() {
			s.leave(closeForbidden, string(tokenOver.Code)+": "+tokenOver.Message)
		})
	}
}

// goAway implements stream.
func (s *webSocket) goAway() { s.leave(int(websocket.StatusGoingAway), goingAway.Message) }

// leave ends the socket's subscriptions at once, and the socket once its queries and mutations are answered.
func (s *webSocket) leave(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.farewell != nil {
		return
	}
	s.farewell = &farewell{code, reason}
	for _, one := range s.running {
		if one.isSubscription {
			one.cancel()
		}
	}
	s.goIfAnswered()
}

// goIfAnswered closes a socket that has a farewell and nothing left to answer. The mutex is held.
func (s *webSocket) goIfAnswered() {
	if s.farewell != nil && s.answering == 0 {
		s.close(*s.farewell)
	}
}

// hangUp closes the connection with a code and a reason.
func (s *webSocket) hangUp(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close(farewell{code, reason})
}

// close sends a close frame, and waits in the background for the client's. The library bounds that wait to a few
// seconds. The mutex is held.
func (s *webSocket) close(last farewell) {
	if !s.down() {
		return
	}
	// A cut through a character would be an error of the protocol, and its client would see no code.
	reason := strings.ToValidUTF8(last.reason[:min(len(last.reason), maxCloseReasonBytes)], "")
	s.tasks.Go(func() {
		// An error means that the client is gone.
		_ = s.conn.Close(websocket.StatusCode(last.code), reason)
	})
}

// cut implements stream. It ends the connection without a close frame, unless one was sent already.
func (s *webSocket) cut() {
	s.mu.Lock()
	first := s.down()
	s.mu.Unlock()
	if first {
		_ = s.conn.CloseNow()
	}
}

// down marks the socket as closing. It returns true where there is a connection, and the caller has to close it. The
// mutex is held.
func (s *webSocket) down() bool {
	if s.closing {
		return false
	}
	s.closing = true
	s.cancel()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	return s.conn != nil
}
