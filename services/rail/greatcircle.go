package rail

import "math"

// earthMetres is the mean radius of the earth (IUGG).
const earthMetres = 6_371_008.8

// GreatCircle is the straight line between two places on the globe in metres (haversine). Places are in WGS 84 degrees.
func GreatCircle(latitude1, longitude1, latitude2, longitude2 float64) float64 {
	const radian = math.Pi / 180
	sinLat := math.Sin((latitude2 - latitude1) * radian / 2)
	sinLon := math.Sin((longitude2 - longitude1) * radian / 2)
	h := sinLat*sinLat + math.Cos(latitude1*radian)*math.Cos(latitude2*radian)*sinLon*sinLon
	return 2 * earthMetres * math.Asin(math.Sqrt(min(h, 1)))
}
