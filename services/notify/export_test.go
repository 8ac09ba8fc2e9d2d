package notify

import "time"

// LookEvery sets the pause between two looks: for tests in which days pass.
func (s *Service) LookEvery(d time.Duration) { s.lookEvery = d }
