// An origin on Node's own http module: echo, streams, trailers, early hints, WebSocket echo.
'use strict';
const crypto = require('crypto');
const http = require('http');
const zlib = require('zlib');

function echo(request, response) {
    const hash = crypto.createHash('sha256');
    let length = 0;
    request.on('data', (data) => { hash.update(data); length += data.length; });
    request.on('end', () => {
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({
            method: request.method, url: request.url, headers: request.headers,
            trailers: request.trailers, length, sha256: hash.digest('hex'),
        }));
    });
}

function events(request, response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    let count = 0;
    const timer = setInterval(() => {
        response.write(`data: ${count}\n\n`);
        count += 1;
        if (count === 10) {
            clearInterval(timer);
            response.end();
        }
    }, 10);
}

function trailers(request, response) {
    response.writeHead(200, { 'Trailer': 'X-Sum' });
    response.write('with ');
    response.addTrailers({ 'X-Sum': '42' });
    response.end('trailers');
}

function hints(request, response) {
    response.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' });
    response.end('page');
}

function compressed(request, response) {
    response.writeHead(200, { 'Content-Encoding': 'gzip' });
    const stream = zlib.createGzip();
    stream.pipe(response);
    for (let i = 0; i < 1000; i += 1) stream.write(`line ${i}\n`);
    stream.end();
}

function pipe(request, response) {
    response.writeHead(200);
    request.pipe(response);
}

const pages = { '/events': events, '/trailers': trailers, '/hints': hints, '/gzip': compressed,
    '/pipe': pipe };
const server = http.createServer((request, response) => {
    (pages[request.url] || echo)(request, response);
});

// One unmasked text frame of less than 64 KB (RFC 6455 section 5.2).
function frame(opcode, payload) {
    const head = payload.length < 126
        ? Buffer.from([0x80 | opcode, payload.length])
        : Buffer.from([0x80 | opcode, 126, payload.length >> 8, payload.length & 255]);
    return Buffer.concat([head, payload]);
}

// Takes whole masked frames from the front of the buffer; returns what is left.
function frames_take(buffer, each) {
    for (;;) {
        if (buffer.length < 2) return buffer;
        let length = buffer[1] & 127;
        let at = 2;
        if (length === 126) {
            if (buffer.length < 4) return buffer;
            length = buffer.readUInt16BE(2);
            at = 4;
        }
        if (buffer.length < at + 4 + length) return buffer;
        const mask = buffer.subarray(at, at + 4);
        const payload = Buffer.from(buffer.subarray(at + 4, at + 4 + length));
        for (let i = 0; i < length; i += 1) payload[i] ^= mask[i % 4];
        each(buffer[0] & 15, payload);
        buffer = buffer.subarray(at + 4 + length);
    }
}

server.on('upgrade', (request, socket, head) => {
    const accept = crypto.createHash('sha1')
        .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
        + `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
    let buffer = head;
    const take = () => {
        buffer = frames_take(buffer, (opcode, payload) => {
            socket.write(frame(opcode, payload));
            if (opcode === 8) socket.end();
        });
    };
    socket.on('data', (data) => { buffer = Buffer.concat([buffer, data]); take(); });
    socket.on('error', () => socket.destroy());
    take();
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
