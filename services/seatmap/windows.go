package seatmap

import "interlock/services/rail"

// tryWindows tries all free seats of a coach that follow each other, sold ones left out. It is for parties that wish
// for nothing about the seats: the same is lost on all of them.
func (s *search) tryWindows(c *coach, lost int) {
	var buffer [rail.MaxSeatsPerCoach]int32
	free := s.list(c, buffer[:0])
	waste := 0
	for n, seat := range free {
		waste += s.waste(int(seat))
		if n < s.size-1 {
			continue
		}
		window := free[n-s.size+1 : n+1]
		rows := s.l.rows(window[0], seat)
		found := cost{lost: lost, apart: further + rows, waste: waste}
		// So many columns it takes at least: most windows are no better even then.
		found.columns = (s.size + rows - 1) / rows
		if s.beatenBy(found) {
			if found.columns = s.l.columns(window); s.beatenBy(found) {
				s.keep(found, window)
			}
		}
		waste -= s.waste(int(window[0]))
	}
}
