// SPDX-License-Identifier: Apache-2.0
// The same arrivals by k6, to check the load generator: see beside_k6.py.
import http from 'k6/http';

const body = open(__ENV.BODY, 'b');
export const options = {
    scenarios: { steady: { executor: 'constant-arrival-rate', rate: Number(__ENV.RATE),
        timeUnit: '1s', duration: `${__ENV.SECONDS}s`, preAllocatedVUs: 32, maxVUs: 64 } },
    summaryTrendStats: ['min', 'med', 'p(90)', 'p(99)', 'max'],
    discardResponseBodies: true,
};

export default function () {
    http.post(`http://127.0.0.1:${__ENV.PORT}/`, body, { headers: { 'Content-Type': __ENV.TYPE } });
}
