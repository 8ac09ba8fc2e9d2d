package watch

// slots are one subscriber's conflating slots, one for each of its subjects: of the events that were not taken yet, the
// latest wins. The subscriber gets the events of a subject in the order in which they were put. It may miss some of
// them, and always gets the last. One goroutine at a time puts, and never waits.
type slots[T any] struct {
	events chan *T
	// latest is the last event put, by subject.
	latest []*T
}

func newSlots[T any](subjects int) slots[T] {
	capacity := subjects
	if subjects > 1 {
		// This is twice as many as must fit. After put has cleared the channel out, at most one event of each subject
		// is in it, and as many puts as there are subjects fill it again. So a put costs a constant time on average.
		capacity = 2 * subjects
	}
	return slots[T]{events: make(chan *T, capacity), latest: make([]*T, subjects)}
}

// put adds an event of a subject. Where the channel is full, older events make room.
func (s *slots[T]) put(subject int, event *T) {
	s.latest[subject] = event
	select {
	case s.events <- event:
		return
	default:
	}
	var waiting []*T
	for more := true; more; {
		select {
		case old := <-s.events:
			waiting = append(waiting, old)
		default:
			more = false
		}
	}
	// Only the latest of each subject go back. Where the latest is not among those that were waiting, the subscriber
	// has just taken it: an older one must not come after it.
	for _, old := range waiting {
		for _, latest := range s.latest {
			if old == latest {
				s.events <- old
				break
			}
		}
	}
	s.events <- event
}
