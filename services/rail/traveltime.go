package rail

import "time"

const (
	// travelBefore is how long before the departure a ticket is good: passengers pass the gates of a station, and change
	// trains on the way.
	travelBefore = 24 * time.Hour
	// travelAfter is how long after the arrival by the timetable it still is: trains are late.
	travelAfter = 6 * time.Hour
)

// TravelTime is from when until when a ticket lets its passenger travel, given when the train leaves the station where
// the ticket begins, and arrives where it ends. The rule is Interlock's own.
func TravelTime(departure, arrival time.Time) (from, until time.Time) {
	return departure.Add(-travelBefore), arrival.Add(travelAfter)
}
