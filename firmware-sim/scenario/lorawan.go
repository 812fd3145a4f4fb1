package scenario

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"headgate/firmware-sim/device"
	"headgate/firmware-sim/packet"
)

// LoRaWAN is sensors behind a ChirpStack 4, which publishes their uplinks as
// JSON: application/APP/device/EUI/event/up. The server has one connection.
type LoRaWAN struct {
	Application string      `yaml:"application"` // default 7f0e…
	Devices     int         `yaml:"devices"`
	Kind        device.Kind `yaml:"kind"`     // what they measure; default temp
	Rate        float64     `yaml:"rate"`     // uplinks a second of all; zero: as fast as they are acknowledged
	Messages    uint64      `yaml:"messages"` // of each device
}

const defaultApplication = "7f0e0d1c-5f2a-4b8e-9d3a-2f6c1e5b8a90"

// uplink is an event of ChirpStack's JSON marshaler, the fields that
// integrations look at.
type uplink struct {
	DeduplicationID string             `json:"deduplicationId"`
	Time            time.Time          `json:"time"`
	DeviceInfo      deviceInfo         `json:"deviceInfo"`
	DevAddr         string             `json:"devAddr"`
	ADR             bool               `json:"adr"`
	DR              int                `json:"dr"`
	FCnt            uint64             `json:"fCnt"`
	FPort           int                `json:"fPort"`
	Confirmed       bool               `json:"confirmed"`
	Data            []byte             `json:"data"`
	Object          map[string]float64 `json:"object"`
	RxInfo          []rxInfo           `json:"rxInfo"`
}

type deviceInfo struct {
	TenantName      string `json:"tenantName"`
	ApplicationID   string `json:"applicationId"`
	ApplicationName string `json:"applicationName"`
	DeviceName      string `json:"deviceName"`
	DevEUI          string `json:"devEui"`
}

type rxInfo struct {
	GatewayID string  `json:"gatewayId"`
	RSSI      int     `json:"rssi"`
	SNR       float64 `json:"snr"`
}

func (l *LoRaWAN) play(ctx context.Context, at Setting, c *counts) error {
	kind := l.Kind
	if kind == "" {
		kind = device.Temperature
	}
	all := make([]*device.Device, l.Devices)
	for i := range all {
		var err error
		if all[i], err = at.World.Device(device.ID{Kind: kind, Number: uint32(i)}); err != nil {
			return err
		}
	}
	next := uint64(0) // uplink of all devices, in turn; those before it are acknowledged
	server := device.ID{Kind: kind}
	return at.stay(ctx, server, func() packet.Connect { return packet.Connect{ClientID: "chirpstack"} }, func(ctx context.Context, conn *packet.Conn) error {
		c.connected()
		for ; next < l.Messages*uint64(l.Devices); next++ {
			topic, payload, err := l.uplink(all[next%uint64(l.Devices)], 1+next/uint64(l.Devices))
			if err != nil {
				return err
			}
			if err := conn.Publish(ctx, packet.Message{Topic: topic, Payload: payload, QoS: 1}); err != nil {
				return err
			}
			c.acked()
			if l.Rate > 0 {
				if err := pause(ctx, every(l.Rate)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// uplink is message n of a device: a pure function of both.
func (l *LoRaWAN) uplink(d *device.Device, n uint64) (topic string, payload []byte, err error) {
	app := l.Application
	if app == "" {
		app = defaultApplication
	}
	stamp, all, err := sample(d, n)
	if err != nil {
		return "", nil, err
	}
	eui := fmt.Sprintf("70b3d57ed%07x", d.ID.Number)
	u := uplink{
		DeduplicationID: fmt.Sprintf("%08x-0000-4000-8000-%012x", d.ID.Number, n),
		Time:            time.UnixMilli(stamp).UTC(),
		DeviceInfo:      deviceInfo{"site", app, "sensors", d.ID.String(), eui},
		DevAddr:         fmt.Sprintf("01%06x", d.ID.Number&0xffffff),
		ADR:             true, DR: 5, FCnt: n, FPort: 2,
		Object: map[string]float64{},
		RxInfo: []rxInfo{{"0016c001f153a14c", -60 - int(n%40), float64(n%12) - 2}},
	}
	for _, r := range all {
		u.Object[r.Name] = r.Value
		u.Data = binary.BigEndian.AppendUint32(u.Data, math.Float32bits(float32(r.Value)))
	}
	payload, err = json.Marshal(u)
	return "application/" + app + "/device/" + eui + "/event/up", payload, err
}
