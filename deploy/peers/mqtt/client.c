/* The walk of README.md by Eclipse Paho's asynchronous client in C. */
#include <MQTTAsync.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *url, *id, *ca, *password;
static int five;
static volatile int there, granted, failed;
static volatile unsigned seen; /* bit of each message that came */

static const char *messages[] = {"now 0", "now 1", "now 2", "late 1", "late 2"};

static void fail(const char *what) {
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static int arrived(void *c, char *topic, int n, MQTTAsync_message *m) {
	for (int i = 0; i < 5; i++)
		if (m->payloadlen == (int)strlen(messages[i]) && !memcmp(m->payload, messages[i], m->payloadlen))
			seen |= 1u << i;
	MQTTAsync_freeMessage(&m);
	MQTTAsync_free(topic);
	return 1;
}

static void lost(void *c, char *why) { failed = 1; }
static void on_there(void *c, MQTTAsync_successData *r) { there = 1; }
static void on_there5(void *c, MQTTAsync_successData5 *r) { there = 1; }
static void on_granted(void *c, MQTTAsync_successData *r) { granted = 1; }
static void on_granted5(void *c, MQTTAsync_successData5 *r) { granted = 1; }
static void on_failed(void *c, MQTTAsync_failureData *r) { failed = 1; }
static void on_failed5(void *c, MQTTAsync_failureData5 *r) { failed = 1; }

/* until waits for all bits. */
static void until(volatile unsigned *v, unsigned bits, const char *what) {
	for (int i = 0; (*v & bits) != bits; i++) {
		if (failed || i > 3000)
			fail(what);
		usleep(10000);
	}
}

static MQTTAsync begin(void) {
	MQTTAsync c;
	MQTTAsync_createOptions co = five ? (MQTTAsync_createOptions)MQTTAsync_createOptions_initializer5 : (MQTTAsync_createOptions)MQTTAsync_createOptions_initializer;
	MQTTAsync_connectOptions o = five ? (MQTTAsync_connectOptions)MQTTAsync_connectOptions_initializer5 : (MQTTAsync_connectOptions)MQTTAsync_connectOptions_initializer;
	MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
	MQTTProperties lasting = MQTTProperties_initializer;
	MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .value.integer4 = 3600};

	if (MQTTAsync_createWithOptions(&c, url, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &co) != MQTTASYNC_SUCCESS)
		fail("create");
	MQTTAsync_setCallbacks(c, NULL, lost, arrived, NULL);
	there = granted = 0;
	if (five) {
		o.cleanstart = 0;
		MQTTProperties_add(&lasting, &expiry);
		o.connectProperties = &lasting;
		o.onSuccess5 = on_there5, o.onFailure5 = on_failed5;
	} else {
		o.MQTTVersion = MQTTVERSION_3_1_1;
		o.cleansession = 0;
		o.onSuccess = on_there, o.onFailure = on_failed;
	}
	if (*ca) {
		ssl.trustStore = ca;
		ssl.verify = 1;
		o.ssl = &ssl;
	}
	if (*password)
		o.username = id, o.password = password;
	if (MQTTAsync_connect(c, &o) != MQTTASYNC_SUCCESS)
		fail("connect");
	until((volatile unsigned *)&there, 1, "no CONNACK");
	return c;
}

static void end(MQTTAsync c) {
	MQTTAsync_disconnectOptions o = MQTTAsync_disconnectOptions_initializer;
	o.timeout = 5000;
	MQTTAsync_disconnect(c, &o);
	for (int i = 0; MQTTAsync_isConnected(c) && i < 1000; i++)
		usleep(10000);
	MQTTAsync_destroy(&c);
}

int main(int argc, char **argv) {
	char topic[200], line[10];
	if (argc != 6)
		fail("usage: client URL VERSION ID CA PASSWORD");
	url = argv[1], five = !strcmp(argv[2], "5"), id = argv[3], ca = argv[4], password = argv[5];

	MQTTAsync c = begin();
	MQTTAsync_responseOptions r = MQTTAsync_responseOptions_initializer;
	if (five)
		r.onSuccess5 = on_granted5, r.onFailure5 = on_failed5;
	else
		r.onSuccess = on_granted, r.onFailure = on_failed;
	snprintf(topic, sizeof topic, "d/%s/walk/#", id);
	if (MQTTAsync_subscribe(c, topic, 2, &r) != MQTTASYNC_SUCCESS)
		fail("subscribe");
	until((volatile unsigned *)&granted, 1, "no SUBACK");
	for (int qos = 0; qos < 3; qos++) {
		MQTTAsync_responseOptions sent = MQTTAsync_responseOptions_initializer;
		snprintf(topic, sizeof topic, "d/%s/walk/%d", id, qos);
		if (MQTTAsync_send(c, topic, strlen(messages[qos]), messages[qos], qos, 0, &sent) != MQTTASYNC_SUCCESS)
			fail("publish");
		if (qos > 0 && MQTTAsync_waitForCompletion(c, sent.token, 15000) != MQTTASYNC_SUCCESS)
			fail("no acknowledgement");
	}
	until(&seen, 7, "what was published did not come");
	end(c);
	puts("away");
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		fail("stdin");
	c = begin();
	until(&seen, 31, "what came meanwhile did not come");
	end(c);
	puts("done");
	return 0;
}
