package streams

// SetMaxDead bounds the dead letters of a test.
func (s *Stream) SetMaxDead(n int) { s.maxDead = n }

// StreamKey is the key of the stream of events.
const StreamKey = "interlock:events"
