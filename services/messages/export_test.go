package messages

import "time"

// PassesApart is the least time between the begins of two passes.
const PassesApart = passesApart

// TidyNext has the next pass tidy up.
func (r *Relay) TidyNext() { r.tidied = time.Time{} }

// TidyNever has no pass tidy up, until TidyNext.
func (r *Relay) TidyNever() { r.tidied = time.Now().Add(time.Hour) }

// AppendAtMost has a step hold n events.
func (r *Relay) AppendAtMost(n int) { r.step = n }
