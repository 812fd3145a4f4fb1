// Package camera is a simulated camera and microphone that publishes by WHIP
// (RFC 9725) media which it makes itself, without an encoder. It knows nothing
// of the gateway but the URL that it publishes to.
//
// # Pictures
//
// The video is H.264, constrained baseline, one slice a picture, CAVLC, no
// deblocking, output in the order of decoding. Counted in macroblocks of 16×16
// pixels, for a width of w pixels:
//
//	          0            min(w/16, 32)
//	        0 +--------------------+-------+
//	          | number, 32 bits    | grey  |  the highest bit first, white is 1, row by row
//	     code +----+---------------+-------+
//	          | f  | grey                  |  flash, 4×2: white in the first 100 ms of each second
//	code + 2  +----+-----------------------+
//	          | noise                      |  grey after a keyframe
//	          +----------------------------+
//
// A keyframe is SPS, PPS and an IDR slice in which each macroblock is Intra
// 16×16, predicted from its neighbours' mean, with one DC coefficient where it
// differs from it: about a byte for each macroblock. At quantizer 28 one level
// of that coefficient is one step of luma, so that the pictures are exact. A
// delta frame is a P slice: number and flash are drawn anew like that, in some
// 200 bytes; the noise macroblocks that are due are I_PCM, 384 bytes each,
// as many as the bit rate lets pass, and go round from frame to frame; the rest
// is skipped. ReadNumber and ReadFlash read a decoded picture. A frame that can
// be decoded shows its own number, whatever was lost before it.
//
// # Sound
//
// G.711 is silence with a beep of 1 kHz in the first 100 ms of each full second
// (UTC, by the machine's clock), the time of the flash. Opus is the frame f8 ff
// fe, 20 ms of silence. Frames and packets of sound are on a grid through the
// full seconds, and the sender reports (at once, then every second) map
// timestamps to the clock exactly: sample and flash of a second have its time.
//
// # The way
//
// Losses happen below SRTP, at the socket: a seeded generator drops RTP
// datagrams, whether they go for the first time or again. NACKs are answered,
// over RTX for video and on the same SSRC for audio; a PLI or FIR makes the next
// frame a keyframe. A Script changes size and losses, mutes, stops and vanishes.
package camera
