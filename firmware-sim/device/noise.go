package device

// noise is a family of smooth random curves, each fixed by its seed.
type noise uint64

// mix scrambles 64 bits (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fork is another curve that has nothing to do with s.
func (s noise) fork(salt uint64) noise { return noise(mix(uint64(s) ^ mix(salt))) }

// at is a number of [0, below) that looks random from one place to the next.
func (s noise) at(place uint64, below int64) int64 {
	return int64(mix(uint64(s)^mix(place)) % uint64(below))
}

// wave is a smooth curve between -amplitude and +amplitude that takes about
// step places from one bend to the next.
func (s noise) wave(place, step uint64, amplitude int64) int64 {
	const one = 1 << 10
	from := s.at(place/step, 2*amplitude+1) - amplitude
	to := s.at(place/step+1, 2*amplitude+1) - amplitude
	f := int64(place % step * one / step)
	ease := f * f * (3*one - 2*f) / (one * one)
	return from + (to-from)*ease/one
}

// swing is a rounded to and fro between -amplitude and +amplitude with the
// given period, as of day and night.
func swing(place, period uint64, amplitude int64) int64 {
	const one = 1 << 12
	x := int64(place%period*2*one/period) - one // -one … one
	if x < 0 {
		return amplitude * 4 * x * (one + x) / (one * one)
	}
	return amplitude * 4 * x * (one - x) / (one * one)
}
