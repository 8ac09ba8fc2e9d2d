package watch

// slots holds what one subscriber has not taken yet: at least the latest event of each of its subjects. It is written
// to by one goroutine at a time, and never makes it wait. The subscriber gets the events of a subject in the order they
// were put, perhaps not all, but always the last.
type slots[T any] struct {
	events chan *T
	// latest is the last event put, by subject.
	latest []*T
}

func newSlots[T any](subjects int) slots[T] {
	capacity := subjects
	if subjects > 1 {
		// Twice as many as must fit: after the channel was cleared out, it takes as many puts as there are subjects
		// before it is full again, so that one put costs a constant time on average.
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
	// Only the latest go back. An older one must not, even where the latest of its subject is not here: then the
	// subscriber has taken that meanwhile.
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
